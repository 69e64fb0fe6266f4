-- How many jobs a worker may hold: the cores that it says it has (0: it has not said), what it has earned
-- beyond one job for each and one more, and the results, in thousandths, that it has made since then.
alter table workers add column cores bigint not null default 0;
alter table workers add column earned bigint not null default 0;
alter table workers add column shown_since bigint not null default 0;
alter table workers add column shown_results bigint not null default 0;

-- What the workers of one address group hold together, and have earned. Groups with neither have no row.
create table address_groups (
    name text primary key,
    held bigint not null,
    earned bigint not null
);
