-- Every base in a database has this trigger, and each change of any of them calls all. A session that changes one base compiles and plans
-- the functions of all the others: what is not of this schema must find its way out before there is anything large to plan.
create or replace function note_guard_change() returns event_trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
begin
  if tg_event = 'sql_drop' then
    if exists (select from pg_event_trigger_dropped_objects() d where d.schema_name = '{schema}' or d.address_names[1] = '{schema}') then
      insert into guard_change (command, object, guards_off, by_platform)
      select tg_tag || ' (' || d.object_type || ')', d.object_identity, (select array(select c.relname || '.' || g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid
          where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled <> 'A' order by 1)),
        coalesce(current_setting('kb.own_change', true), '') = '{schema}'
      from pg_event_trigger_dropped_objects() d
      where (d.schema_name = '{schema}' or d.address_names[1] = '{schema}') and not d.is_temporary
        and d.object_type in ('table', 'trigger', 'policy', 'function', 'table constraint', 'index', 'table column');
    end if;
  elsif exists (select from pg_event_trigger_ddl_commands() d
                where d.schema_name = '{schema}' or d.object_identity like '{schema}.%' or d.object_identity like '% on {schema}.%') then
    insert into guard_change (command, object, guards_off, by_platform)
    select d.command_tag, d.object_identity, (select array(select c.relname || '.' || g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid
        where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled <> 'A' order by 1)),
      coalesce(current_setting('kb.own_change', true), '') = '{schema}'
    from pg_event_trigger_ddl_commands() d
    where d.schema_name = '{schema}' or d.object_identity like '{schema}.%' or d.object_identity like '% on {schema}.%';
  end if;
end $$;
