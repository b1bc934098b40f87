from relay.journal.sqlite.journal import SqliteJournal as SqliteJournal
