//! Sessions at work: the real actors over a ledger in memory, with scripted models.

mod approve;
mod budget;
mod command;
mod files;
mod house;
mod keep;
mod operation;
mod overheard;
mod places;
mod queue;
mod quick;
mod recovery;
mod subagent;
mod survival;
mod turn;
mod window;
