//! The page at `/`: static files of `src/web`, embedded.
