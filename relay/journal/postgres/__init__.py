from relay.journal.postgres.journal import PostgresJournal as PostgresJournal
