-- Looks are compared as they are, byte by byte, so that all that begin alike stand together: names are
-- found by how they begin. SQLite compares so already.
alter table leaderboard alter column look type text collate "C";
