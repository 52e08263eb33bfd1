//! The table of pidfds, in every interleaving of the threads that use it.

mod armed;
