//! The agents' memory as part of the house: its settings, who makes its vectors, and its keeper.

mod keeper;
mod settings;
mod vectors;
mod watch;

use std::sync::Arc;

use openclaw_protocol::AgentId;
use openclaw_protocol::Config;
use openclaw_tool::Memory;

pub(crate) use self::keeper::MemoryKeeper;
use self::vectors::HouseVectors;
use self::vectors::Payers;
use crate::paths::Paths;
use crate::services::CatalogueNow;

/// The memory of a house: settings follow the configuration, vectors the catalogue. Vectors can be made once the payers
/// are known.
pub(crate) fn open(
    paths: &Paths,
    config: Arc<dyn Fn() -> Arc<Config> + Send + Sync>,
    catalogue: CatalogueNow,
) -> (Memory, Payers) {
    let folder = paths.state_dir.join("memory");
    let paths = paths.clone();
    let settings = move |agent: &AgentId| {
        settings::of(config().tree.value(), agent, &|path| paths.expand(path))
    };
    let payers = Payers::default();
    let vectors = HouseVectors {
        payers: payers.clone(),
        catalogue,
    };
    let memory = Memory::new(folder, Arc::new(settings), Arc::new(vectors));
    (memory, payers)
}
