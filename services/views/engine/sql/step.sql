-- Fold the facts in ($1, $2] into every view and move the cursors, or do nothing at all where a cursor is elsewhere.
with {merges},
cursor as (
  update registry.cursor as cursor
     set position = $2
    from unnest($3::text[], $4::int[]) as mine (view, generation)
   where cursor.view = mine.view
     and cursor.generation = mine.generation
     and cursor.position = $1
  returning cursor.view
)
select (select count(*) from cursor) as moved,
       (select count(*) from log.event where position > $1 and position <= $2) as facts
