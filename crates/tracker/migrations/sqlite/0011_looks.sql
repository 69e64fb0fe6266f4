-- What a nickname looks like, so that one that could be taken for an older one can be shown with the
-- name of its worker. Nicknames of before are as old as each other; their looks are filled in when the
-- database is opened.
alter table leaderboard add column worker text;
alter table leaderboard add column look text;
alter table leaderboard add column since integer not null default 0;
create index leaderboard_look on leaderboard (look, since, nickname);
