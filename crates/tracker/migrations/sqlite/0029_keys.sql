-- A volunteer's key, by the thumbprint of its public half (RFC 7638); null where a worker registered
-- without one.
alter table workers add column key text;
drop index workers_volunteer;
create index workers_volunteer on workers (nickname, address, key);
create index workers_key on workers (key) where key is not null;

-- The key that a nickname belongs to, the first one under which a result was credited to it, and how
-- many of its results that key has done.
alter table leaderboard add column key text;
alter table leaderboard add column verified integer not null default 0;

-- Keys of further devices of a volunteer, which count as the key that signed them.
create table linked_keys (
    key text primary key,
    identity text not null,
    at integer not null
) strict, without rowid;
create index linked_keys_identity on linked_keys (identity);

-- Keys that ask to be linked, by the fingerprint of the code that their device shows.
create table link_codes (
    code text primary key,
    key text not null,
    expires_at integer not null
) strict, without rowid;
create index link_codes_key on link_codes (key);
create index link_codes_age on link_codes (expires_at);

-- Nonces of proofs that have been used, until they would be refused for their age.
create table used_nonces (
    nonce text primary key,
    expires_at integer not null
) strict, without rowid;
create index used_nonces_age on used_nonces (expires_at);

-- The tracker's own secrets: the key of its nonces, and the one that signs receipts.
create table tracker_keys (
    name text primary key,
    secret text not null
) strict, without rowid;

-- The results that volunteers with keys get receipts for.
create index leases_receipts on leases (volunteer, id)
    where outcome = 'completed' and volunteer >= 'k:' and volunteer < 'k;';
