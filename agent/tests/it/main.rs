//! The agent against real package managers in root folders of their own, and its engine against crashes.
//!
//! Needs root, mmdebstrap, dpkg-dev, apt-utils and gnupg; fails with one sentence without them.

mod apt_failure;
mod apt_interruption;
mod apt_report;
mod apt_transaction;
mod host;
mod repository;
