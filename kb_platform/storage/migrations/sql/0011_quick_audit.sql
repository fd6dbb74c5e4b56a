-- Every base in a database has this trigger, and each change of any of them calls all: what is not of this schema must cost nothing.
-- Which guards are off is asked once a row is to be written (a subquery that refers to none runs no sooner), not before.
create or replace function note_guard_change() returns event_trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  ours bool := coalesce(current_setting('kb.own_change', true), '') = '{schema}';
begin
  if tg_event = 'sql_drop' then
    insert into guard_change (command, object, guards_off, by_platform)
    select tg_tag || ' (' || d.object_type || ')', d.object_identity, (select array(select c.relname || '.' || g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid
        where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled <> 'A' order by 1)), ours from pg_event_trigger_dropped_objects() d
    where (d.schema_name = '{schema}' or d.address_names[1] = '{schema}') and not d.is_temporary
      and d.object_type in ('table', 'trigger', 'policy', 'function', 'table constraint', 'index', 'table column');
  else
    insert into guard_change (command, object, guards_off, by_platform)
    select d.command_tag, d.object_identity, (select array(select c.relname || '.' || g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid
        where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled <> 'A' order by 1)), ours from pg_event_trigger_ddl_commands() d
    where d.schema_name = '{schema}' or d.object_identity like '{schema}.%' or d.object_identity like '% on {schema}.%';
  end if;
end $$;
