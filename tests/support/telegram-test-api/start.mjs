// Starts telegram-test-api on a free port of loopback and prints its address; ends with SIGTERM or SIGINT.
import { createServer } from 'node:net';
import TelegramServer from 'telegram-test-api';

const freePort = () => new Promise((resolve, reject) => {
  const probe = createServer();
  probe.once('error', reject);
  probe.listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});

const Server = TelegramServer.TelegramServer ?? TelegramServer.default ?? TelegramServer;
const server = new Server({ port: await freePort(), host: '127.0.0.1', storeTimeout: 3600 });
await server.start();
console.log(server.config.apiURL);

const stop = async () => {
  await server.stop();
  process.exit(0);
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
