-- Whether a fact of this stream has data of its model, and meta with a cause, a source and the number of its schema, both
-- of a bounded size. Numbers like 1e300 print in 47 times the bytes that they take here. A single expression, so that
-- Postgres puts it into the queries that call it.
create or replace function log.is_sound_fact(_stream text, _data jsonb, _meta jsonb) returns boolean
language sql stable as $$
  select _data ->> 'model' = _stream
         and (pg_column_size(_data) <= 65536 or octet_length(_data::text) <= 4194304)
         and (_meta ->> 'cause')::uuid is not null
         and jsonb_typeof(_meta -> 'source') = 'string' and jsonb_typeof(_meta -> 'schema') = 'number'
         and pg_column_size(_meta) <= 65536
$$;

revoke execute on function log.is_sound_fact(text, jsonb, jsonb) from public;
