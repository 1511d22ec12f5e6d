-- The number of rows and two sums of 64-bit hashes over their text: equal for the same rows in any order.
select count(*) as rows,
       coalesce(sum(hashtextextended(line, 0)), 0) as low,
       coalesce(sum(hashtextextended(line, 1)), 0) as high
  from (select shown::text as line from ({shown}) as shown offset 0) as line
