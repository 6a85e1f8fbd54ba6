//! The agent against real package managers in root folders of their own, and its engine against crashes.
//!
//! Needs root, mmdebstrap, dpkg-dev, apt-utils, gnupg, rpm, createrepo-c, nftables, iptables, flatpak, ostree, npm, openssl,
//! containerd, systemd-container, and python3 with venv and a package index; fails with one sentence without them.

#![allow(missing_docs, clippy::unwrap_used, reason = "a test may fail")]

mod apk;
mod apk_host;
mod apk_transaction;
mod apt_failure;
mod apt_interruption;
mod apt_repack;
mod apt_report;
mod apt_run;
mod apt_state;
mod apt_transaction;
mod command;
mod containerd;
mod crash;
mod discovery;
mod dnf_report;
mod dnf_transaction;
mod edge;
mod host;
mod hostile;
mod image;
mod killed;
mod lost_relay;
mod observed;
mod order;
mod pacman;
mod pacman_host;
mod registries;
mod relay;
mod reports;
mod repository;
mod root;
mod rpm_host;
mod rpm_run;
mod session;
mod staging;
mod systemd;
mod zypper_report;
mod zypper_transaction;
