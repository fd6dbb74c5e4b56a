-- Who owns the tables can switch their guards off. That cannot be refused, so it is written down: an event trigger, which only a
-- superuser can make, notes every change of a table, trigger, policy or function of this schema, and which guards were off after
-- it. Where the owner is none, this is left to the server's log (log_statement = ddl). A superuser can switch event triggers off as
-- well: give people other roles.

create table guard_change (
  id        bigint generated always as identity primary key,
  at        timestamptz not null default clock_timestamp(),
  by_user   text not null default session_user,
  command   text not null,
  object    text not null,
  guards_off text[] not null,
  by_platform bool not null
);
create function note_guard_change() returns event_trigger
language plpgsql security definer set search_path = {schema}, pg_temp as $$
declare
  ours bool := coalesce(current_setting('kb.own_change', true), '') = '{schema}';
  off text[] := array(select c.relname || '.' || g.tgname from pg_trigger g join pg_class c on c.oid = g.tgrelid
                      where c.relnamespace = '{schema}'::regnamespace and not g.tgisinternal and g.tgenabled <> 'A' order by 1);
begin
  if tg_event = 'sql_drop' then
    insert into guard_change (command, object, guards_off, by_platform)
    select tg_tag || ' (' || d.object_type || ')', d.object_identity, off, ours from pg_event_trigger_dropped_objects() d
    where (d.schema_name = '{schema}' or d.address_names[1] = '{schema}') and not d.is_temporary
      and d.object_type in ('table', 'trigger', 'policy', 'function', 'table constraint', 'index', 'table column');
  else
    insert into guard_change (command, object, guards_off, by_platform)
    select d.command_tag, d.object_identity, off, ours from pg_event_trigger_ddl_commands() d
    where d.schema_name = '{schema}' or d.object_identity like '{schema}.%' or d.object_identity like '% on {schema}.%';
  end if;
end $$;
create trigger append_only before update or delete on guard_change for each row execute function refuse();
create trigger no_truncate before truncate on guard_change for each statement execute function refuse();
alter table guard_change enable always trigger append_only;
alter table guard_change enable always trigger no_truncate;
revoke execute on function note_guard_change() from public;
grant select on guard_change to {prefix}_writer, {prefix}_gate, {prefix}_promoter;

do $$
begin
  if (select r.rolsuper from pg_roles r where r.rolname = current_user) then
    create event trigger {schema}_guard_change on ddl_command_end
      when tag in ('ALTER TABLE', 'ALTER TRIGGER', 'CREATE TRIGGER', 'CREATE FUNCTION', 'ALTER FUNCTION', 'ALTER POLICY', 'CREATE POLICY',
                   'CREATE RULE', 'ALTER RULE')
      execute function note_guard_change();
    create event trigger {schema}_guard_drop on sql_drop execute function note_guard_change();
    alter event trigger {schema}_guard_change enable always;
    alter event trigger {schema}_guard_drop enable always;
    -- What the platform changes itself, in migrations and for spaces, says so; who can say the same falsely is on record all the
    -- same. Only a superuser may give a function a variable that Postgres does not know.
    alter function open_space(text) set kb.own_change = '{schema}';
    alter function drop_space(text) set kb.own_change = '{schema}';
    alter function build_index(int) set kb.own_change = '{schema}';
  end if;
end $$;
