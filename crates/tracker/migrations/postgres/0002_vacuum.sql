-- Each job that is taken leaves a dead entry at the head of its queue's index, and whoever takes the
-- next one walks over all of them. By default they are cleared away when a fifth of the table has
-- changed: of a million jobs, after 100,000 are done, which by then costs a claim a fifth of its
-- speed; of more jobs, more. So they are cleared away when a hundredth has changed.
alter table jobs set (autovacuum_vacuum_scale_factor = 0.01);
