-- Results that came after their lease had ended, while another lease holds the job. One a job, the
-- first; it counts if that other lease ends without a result.
create table late_results (
    number bigint primary key,
    data text not null
);

-- The lease whose result is kept there.
alter table jobs add column late bigint;
-- 1: its result came after it had ended and was acknowledged, whatever became of it.
alter table leases add column late bigint not null default 0;
