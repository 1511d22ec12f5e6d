-- Fold the facts in ($1, $2] into these views and move their cursors; `moved` counts the cursors that were at $1.
with {merges},
cursor as (
  update registry.cursor as cursor
     set position = $2
    from unnest($3::text[], $4::int[]) as followed (view, generation)
   where cursor.view = followed.view
     and cursor.generation = followed.generation
     and cursor.position = $1
  returning cursor.view
)
select (select count(*) from cursor) as moved,
       (select count(*) from log.event where position > $1 and position <= $2) as facts
