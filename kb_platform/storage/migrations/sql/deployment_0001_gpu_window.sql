-- What concerns all knowledge bases of a deployment; schema {schema}, roles {prefix}_reader and {prefix}_writer.

-- What people did to the GPU window by hand, and why: a log, of which the newest row counts until its time is over.
create table gpu_window_change (
  change_id bigint generated always as identity primary key,
  at        timestamptz not null default clock_timestamp(),
  action    text not null check (action in ('open', 'close')),
  until     timestamptz not null check (until > at),
  by_name   text not null check (by_name <> ''),
  by_user   text not null default session_user,
  reason    text not null check (reason <> '' or action = 'close')
);

create function refuse() returns trigger language plpgsql as $$
begin
  raise exception '% on % is never allowed', tg_op, tg_table_name using errcode = 'check_violation';
end $$;
create trigger append_only before update or delete on gpu_window_change for each statement execute function refuse();
create trigger no_truncate before truncate on gpu_window_change for each statement execute function refuse();
alter table gpu_window_change enable always trigger append_only;
alter table gpu_window_change enable always trigger no_truncate;

revoke all on schema {schema} from public;
revoke execute on all functions in schema {schema} from public;
grant usage on schema {schema} to {prefix}_reader, {prefix}_writer;
grant select on gpu_window_change to {prefix}_reader, {prefix}_writer;
grant insert (action, until, by_name, reason) on gpu_window_change to {prefix}_writer;
