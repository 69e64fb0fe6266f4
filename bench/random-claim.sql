-- What a claim and a completion cost where each claim sorts all open jobs at random: the claim
-- query of the tracker that LAION used, without its web framework. Run by pgbench; a run of this
-- script is one job. `skip locked` keeps two clients from taking the same one.
begin;
select number from random_jobs where stage = 0 and not pending and not closed
    order by random() limit 1 for update skip locked \gset
update random_jobs set pending = true, worker = :client_id where number = :number;
commit;
update random_jobs set pending = false, closed = true, data = 'output of ' || number
    where number = :number;
