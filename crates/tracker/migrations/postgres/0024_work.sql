-- Registrations that hold a job or have finished one: waits go by them, since others cost nothing to make.
alter table workers add column works bigint not null default 0;
update workers set works = 1 where completed > 0
    or exists (select 1 from leases where leases.worker = workers.id and leases.ended_at is null);
alter table stage_counters add column working bigint not null default 0;
update stage_counters set working =
    (select count(*) from workers where workers.stage = stage_counters.stage and works = 1);

-- Bytes of the results in late_results, which are bounded together.
alter table totals add column late_bytes bigint not null default 0;
update totals set late_bytes = (select coalesce(sum(octet_length(data)), 0) from late_results);
