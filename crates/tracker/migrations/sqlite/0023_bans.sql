-- Who may not register: "n:" and a nickname, or "a:" and an address or a network.
create table bans (
    name text primary key,
    at integer not null,
    reason text not null
) strict, without rowid;

-- The address group that a job was handed to; empty where that is not known.
alter table leases add column address text not null default '';
