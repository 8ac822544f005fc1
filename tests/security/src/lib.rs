//! What the tests of security share.
