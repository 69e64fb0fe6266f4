-- What is written to see whether anything can be written.
create table probe (
    id bigint primary key check (id = 1),
    at bigint not null
);
