//! Devices: their keys, who may connect as which of them, and how they get that far.
//!
//! [`book`] decides and knows neither clock nor file; [`owner`] is the one actor that changes what is
//! stored; [`desk`] is where everybody else reads and asks. The files are those of existing
//! installations.

pub mod book;
pub mod desk;
pub mod enter;
mod file;
pub mod identity;
pub mod owner;
pub mod proof;
pub mod record;
pub mod setup;

pub use self::book::Book;
pub use self::book::BookError;
pub use self::desk::Devices;
pub use self::file::write_json as write_private;
pub use self::file::write_text as write_private_text;
pub use self::record::Paired;
pub use self::record::Pending;
