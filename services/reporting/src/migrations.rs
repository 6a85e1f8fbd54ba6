//! The schema `reporting`.

#[path = "../migrations/m0001.rs"]
mod m0001;
#[path = "../migrations/m0002.rs"]
mod m0002;

use netpatch_storage::{Migrations, OutboxPrune};
use sea_orm_migration::prelude::{DynIden, IntoIden as _};
use sea_orm_migration::{MigrationTrait, MigratorTrait};

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001::Migration),
            Box::new(OutboxPrune("reporting")),
            Box::new(m0002::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "reporting_migrations".into_iden()
    }
}

/// The migrations of the schema `reporting`.
#[must_use]
pub fn migrations() -> Migrations {
    Migrations::of::<Migrator>("reporting")
}
