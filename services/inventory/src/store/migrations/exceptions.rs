use super::*;

pub(super) struct Exceptions;

impl MigrationName for Exceptions {
    fn name(&self) -> &'static str {
        "m0012_exceptions"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Exceptions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = statements(include_str!("../../../migrations/0012_exceptions.sql"));
        execute_all(manager.get_connection(), sql).await
    }
}
