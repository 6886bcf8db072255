use super::*;

/// A server that repeats each line.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await.ok();
            });
        }
    });
    address
}

async fn said(stream: &mut TcpStream, text: &str) -> std::io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn heard(stream: &mut TcpStream, length: usize) -> std::io::Result<String> {
    let mut bytes = vec![0; length];
    stream.read_exact(&mut bytes).await?;
    Ok(String::from_utf8(bytes).unwrap())
}

#[tokio::test]
async fn clear_weather_passes_everything_and_a_cut_resets() {
    let proxy = Proxy::start(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(said(&mut stream, "hello").await.unwrap(), "hello");
    proxy.cut();
    let error = heard(&mut stream, 1).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(said(&mut again, "back").await.unwrap(), "back");
}

#[tokio::test]
async fn a_black_hole_holds_and_a_deaf_wire_takes() {
    let proxy = Proxy::start(echo().await).await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    for weather in [Weather::BlackHole, Weather::Deaf] {
        assert_eq!(said(&mut stream, "before").await.unwrap(), "before");
        proxy.set(weather);
        stream.write_all(b"late").await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(50), heard(&mut stream, 4)).await;
        assert!(nothing.is_err(), "{weather:?} let something through");
        proxy.set(Weather::Clear);
        assert_eq!(heard(&mut stream, 4).await.unwrap(), "late");
    }
}

#[tokio::test]
async fn a_torn_answer_ends_at_its_byte_and_a_vanished_peer_in_a_reset() {
    let proxy = Proxy::start(echo().await).await;
    proxy.set(Weather::Torn(3));
    let mut torn = TcpStream::connect(proxy.address()).await.unwrap();
    torn.write_all(b"abcdef").await.unwrap();
    assert_eq!(heard(&mut torn, 3).await.unwrap(), "abc");
    assert!(heard(&mut torn, 1).await.is_err());
    proxy.set(Weather::Clear);
    let mut half = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(said(&mut half, "x").await.unwrap(), "x");
    proxy.set(Weather::HalfOpen);
    half.write_all(b"y").await.unwrap();
    proxy.set(Weather::Clear);
    assert!(heard(&mut half, 1).await.is_err());
    proxy.set(Weather::Refuse);
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(said(&mut refused, "z").await.is_err());
}
