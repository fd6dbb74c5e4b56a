-- The database knows the role that moves the pointer; for whom it did is what the platform says: the account that ran the command, or the
-- run. Who can log in as that role can say something else, so by_user stays what is proven.
alter table promotion_log add column on_behalf_of text not null default '';

create or replace function log_guard() returns trigger
language plpgsql set search_path = {schema}, pg_temp as $$
begin
  if pg_trigger_depth() < 2 or new.to_release is distinct from (select a.release_id from active a)
     or new.from_release is distinct from (select l.to_release from promotion_log l order by l.id desc limit 1) then
    raise exception 'promotions are logged by the pointer itself' using errcode = 'check_violation';
  end if;
  new.by_user := session_user;
  new.on_behalf_of := left(coalesce(current_setting('kb.on_behalf_of', true), ''), 200);
  new.at := clock_timestamp();
  return new;
end $$;
