-- Whether the operator has paused the stage, and not the tracker because everything failed there.
alter table stage_counters add column paused_by_operator boolean not null default false;
