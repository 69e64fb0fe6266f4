-- Large texts are compressed while everybody waits for the writer, and lz4 takes a tenth of the time
-- that the default takes for what can be compressed. A server that was built without it, or is
-- older than PostgreSQL 14, keeps the default.
do $$
begin
    execute 'alter table inputs alter column data set compression lz4';
    execute 'alter table late_results alter column data set compression lz4';
exception
    when feature_not_supported or syntax_error then null;
end
$$;
