-- Keys of applications for the search API: only ever added, and revoked. Of a key's secret there is only the hash; it is 256 bits of
-- chance, which no list of words has.

create table api_key (
  key_id      text primary key check (key_id ~ '^[0-9a-f]{12}$'),
  name        text not null check (name <> '' and length(name) <= 100),
  secret_hash bytea not null check (length(secret_hash) = 32),
  grants      text[] not null check (cardinality(grants) between 1 and 1000),
  rate        double precision check (rate > 0),
  created_at  timestamptz not null default clock_timestamp(),
  expires_at  timestamptz check (expires_at > created_at),
  by_name     text not null check (by_name <> ''),
  by_user     text not null default session_user
);

create table api_key_revocation (
  key_id  text primary key references api_key,
  at      timestamptz not null default clock_timestamp(),
  by_name text not null check (by_name <> ''),
  by_user text not null default session_user
);

create trigger append_only before update or delete on api_key for each statement execute function refuse();
create trigger no_truncate before truncate on api_key for each statement execute function refuse();
create trigger append_only before update or delete on api_key_revocation for each statement execute function refuse();
create trigger no_truncate before truncate on api_key_revocation for each statement execute function refuse();
alter table api_key enable always trigger append_only;
alter table api_key enable always trigger no_truncate;
alter table api_key_revocation enable always trigger append_only;
alter table api_key_revocation enable always trigger no_truncate;

grant select on api_key, api_key_revocation to {prefix}_reader, {prefix}_writer;
grant insert (key_id, name, secret_hash, grants, rate, expires_at, by_name) on api_key to {prefix}_writer;
grant insert (key_id, by_name) on api_key_revocation to {prefix}_writer;
