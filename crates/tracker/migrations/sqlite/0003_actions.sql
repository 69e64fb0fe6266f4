-- What the operator did: imports, exports, requeues, prunes, resets. Kept through a reset.
create table actions (
    id integer primary key autoincrement,
    at integer not null,
    who text not null,
    action text not null,
    detail text not null
) strict;
