-- Three jobs of the first schema: one is at stage b, one is held, one is open.
insert into jobs (number, stage, state, position, attempt) values
    (1, 1, 'open', 1, 0), (2, 0, 'held', 2, 1), (3, 0, 'open', 3, 0);
insert into inputs (number, stage, cursor, data) values
    (1, 0, null, 'one'), (1, 1, 1, 'done'), (2, 0, null, 'two'), (3, 0, null, 'three');
insert into workers (id, token, display_name, nickname, stage, completed, first_seen, last_seen)
    values (1, 'token-1', 'calm-fox-7', 'Ann', 0, 1, 1000, 2000);
insert into leases (id, secret, number, stage, attempt, worker, nickname, volunteer, granted_at,
    ended_at, outcome) values
    (1, 'x', 1, 0, 1, 1, 'Ann', 'n:Ann', 1000, 1500, 'completed'),
    (2, 'y', 2, 0, 1, 1, 'Ann', 'n:Ann', 1600, null, null);
insert into leaderboard (nickname, completed) values ('Ann', 1);
update stage_counters set open = 1, held = 1, done = 1, workers = 1 where stage = 0;
update stage_counters set open = 1 where stage = 1;
update totals set jobs = 3, last_number = 3, last_cursor = 1 where id = 1;
