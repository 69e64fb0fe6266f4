-- What is written to see whether anything can be written: as large as a result may well be.
create table probe (
    id integer primary key check (id = 1),
    filler blob not null
) strict;
