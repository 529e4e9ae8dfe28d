//! (written when the store runs)
