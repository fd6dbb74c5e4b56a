"""What guards a knowledge base in its database, compared with what this version's migrations make.

The comparison is with a schema that the migrations make for it, in a transaction that is rolled back: whatever the server's version, both are
described by the same catalogs. Triggers, functions, policies, grants, constraints, views, rules and roles are compared, each as it is, and whether
it is on. Lists of roles are ordered by what follows the schema's name: the owner's would stand elsewhere among them otherwise.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import LiteralString

import psycopg

from kb_platform.storage.database import LOGIN_ROLES, Database, driver

Guards = Mapping[str, str]
"""What there is, by what it is called, as it is: with the schema's and the roles' names left out."""

CATALOGS: tuple[LiteralString, ...] = (
    """select 'function ' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
         case when p.prokind = 'a' then 'aggregate' else md5(replace(pg_get_functiondef(p.oid), %(schema)s, '{schema}')) end
         || ' ' || pg_get_userbyid(p.proowner) || ' ' || (select coalesce(string_agg(a.grantee::regrole::text, ',' order by replace(a.grantee::regrole::text, %(schema)s, '{schema}')), '')
            from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a where a.grantee <> 0)
         || case when has_function_privilege('public', p.oid, 'execute') then ' public' else '' end
       from pg_proc p where p.pronamespace = %(schema)s::regnamespace""",
    """select 'trigger ' || g.tgname || ' on ' || c.relname, g.tgenabled::text || ' ' || pg_get_triggerdef(g.oid)
       from pg_trigger g join pg_class c on c.oid = g.tgrelid where c.relnamespace = %(schema)s::regnamespace and not g.tgisinternal""",
    """select 'constraint ' || n.conname || ' on ' || c.relname, pg_get_constraintdef(n.oid)
       from pg_constraint n join pg_class c on c.oid = n.conrelid where c.relnamespace = %(schema)s::regnamespace and n.contype in ('c', 'f', 'u', 'p')""",
    """select 'policy ' || p.policyname || ' on ' || p.tablename,
         concat_ws(' ', p.permissive, array_to_string(p.roles, ','), p.cmd, p.qual, p.with_check) from pg_policies p where p.schemaname = %(schema)s""",
    """select 'table ' || c.relname, concat_ws(' ', c.relkind, c.relrowsecurity, c.relforcerowsecurity, case when c.relkind = 'v' then c.reloptions end, '') || pg_get_userbyid(c.relowner) || ' ' || coalesce(
         (select string_agg(a.grantee::regrole::text || ':' || a.privilege_type, ',' order by replace(a.grantee::regrole::text, %(schema)s, '{schema}'), a.privilege_type)
          from aclexplode(c.relacl) a), '') || coalesce(case when c.relkind = 'v' then md5(replace(pg_get_viewdef(c.oid), %(schema)s, '{schema}')) end, '')
       from pg_class c where c.relnamespace = %(schema)s::regnamespace and c.relkind in ('r', 'p', 'v', 'S')""",
    """select 'column ' || c.relname || '.' || t.attname, format_type(t.atttypid, t.atttypmod) || ' ' || t.attnotnull || ' ' || t.attgenerated::text
         || coalesce(' ' || pg_get_expr(d.adbin, d.adrelid), '') || ' ' || coalesce(
         (select string_agg(a.grantee::regrole::text || ':' || a.privilege_type, ',' order by replace(a.grantee::regrole::text, %(schema)s, '{schema}'), a.privilege_type)
          from aclexplode(t.attacl) a), '')
       from pg_attribute t join pg_class c on c.oid = t.attrelid left join pg_attrdef d on d.adrelid = t.attrelid and d.adnum = t.attnum
       where c.relnamespace = %(schema)s::regnamespace and c.relkind in ('r', 'p') and t.attnum > 0 and not t.attisdropped""",
    """select 'event trigger ' || e.evtname, e.evtenabled::text || ' ' || e.evtfoid::regproc::text from pg_event_trigger e
       join pg_proc p on p.oid = e.evtfoid where p.pronamespace = %(schema)s::regnamespace""",
    """select 'foreign key ' || n.conname || ' on ' || c.relname, string_agg(distinct g.tgenabled::text, '') from pg_trigger g
       join pg_constraint n on n.oid = g.tgconstraint join pg_class c on c.oid = n.conrelid
       where g.tgisinternal and c.relnamespace = %(schema)s::regnamespace group by 1""",
    """select 'unique index ' || c.relname, pg_get_indexdef(i.indexrelid) || ' ' || i.indisvalid from pg_index i
       join pg_class c on c.oid = i.indexrelid where c.relnamespace = %(schema)s::regnamespace and i.indisunique""",
    """select 'rule ' || r.rulename || ' on ' || c.relname, pg_get_ruledef(r.oid) from pg_rewrite r
       join pg_class c on c.oid = r.ev_class where c.relnamespace = %(schema)s::regnamespace and r.rulename <> '_RETURN'""",
    """select 'operator ' || o.oprname, format_type(o.oprleft, null) || ' ' || format_type(o.oprright, null) from pg_operator o
       where o.oprnamespace = %(schema)s::regnamespace""",
    """select 'schema ' || n.nspname, pg_get_userbyid(n.nspowner) || ' ' || coalesce((
         select string_agg(a.grantee::regrole::text || ':' || a.privilege_type, ',' order by replace(a.grantee::regrole::text, %(schema)s, '{schema}'), a.privilege_type)
         from aclexplode(n.nspacl) a), '') from pg_namespace n where n.nspname = %(schema)s""",
    """select 'child ' || h.inhrelid::regclass || ' of ' || p.relname, '' from pg_inherits h join pg_class p on p.oid = h.inhparent
       join pg_class c on c.oid = h.inhrelid where p.relnamespace = %(schema)s::regnamespace and p.relkind in ('r', 'p')""",
    """select 'right of ' || r.rolname || ' to make things in ' || case when m.here then 'schema public' else 'the database' end, ''
       from pg_roles r, (values (true), (false)) m(here) where r.rolname in (select %(schema)s || '_' || unnest(%(roles)s::text[]))
         and case when m.here then has_schema_privilege(r.oid, 'public', 'create') else has_database_privilege(r.oid, current_database(), 'create') end""",
    """select 'role ' || r.rolname, concat_ws(' ', r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolreplication, r.rolbypassrls, 'in', (
         select string_agg(m.roleid::regrole::text, ',' order by replace(m.roleid::regrole::text, %(schema)s, '{schema}')) from pg_auth_members m where m.member = r.oid), 'holds', (
         select string_agg(m.member::regrole::text, ',' order by replace(m.member::regrole::text, %(schema)s, '{schema}')) from pg_auth_members m
         where m.roleid = r.oid and r.rolname <> %(schema)s || '_reader'))
       from pg_roles r where r.rolname in (select %(schema)s || '_' || unnest(%(roles)s::text[]))""",
)


def guards_of(connection: psycopg.Connection, schema: str) -> Guards:
    """Return what guards a schema; the connection is the owner's."""
    names = {"schema": schema, "roles": list(LOGIN_ROLES)}
    connection.execute("set local search_path to pg_catalog")  # so that every name of the schema is written out
    found = {}
    for statement in CATALOGS:
        for name, value in connection.execute(statement, names):
            found[name.replace(schema, "{schema}")] = value.replace(schema, "{schema}")
    return found


def changed_guards(database: Database) -> Iterator[str]:
    """Yield in words what is not as this version's migrations make it: what lacks, what was added, what is different."""
    with database.transaction("owner") as c:
        spaces = tuple(c.execute("select space_id, spec::text from embedding_space where to_regclass('chunk_' || space_id) is not null order by 1"))
        found = guards_of(c, database.schema)
    expected = _expected(database.owner_url, spaces)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            yield f"{name.replace('{schema}', database.schema)} is gone"
        elif name not in expected:
            yield f"{name.replace('{schema}', database.schema)} is none of ours"
        elif found[name] != expected[name]:
            off = " is switched off" if name.startswith("trigger") and found[name][0] != expected[name][0] else " is not as it was shipped"
            yield f"{name.replace('{schema}', database.schema)}{off}"


@dataclass(frozen=True)
class _Reference(Database):
    """A schema that is made only to be looked at, under a name that no knowledge base can have."""

    @property
    def schema(self) -> str:
        return "kb__reference"


def reference_database(owner_url: str) -> Database:
    """Return the schema that others are compared with; its roles have to be there, or to be made."""
    return _Reference(owner_url, "reference")


@cache
def _expected(owner_url: str, spaces: tuple[tuple[str, str], ...]) -> Guards:
    """Return what the migrations make for a schema with these spaces: made, described, and rolled back."""
    from kb_platform.storage.migrate import upgrade

    reference = reference_database(owner_url)
    with reference.engine("owner").connect() as connection:
        upgrade(connection, reference)
        raw = driver(connection)
        for space, spec in spaces:
            raw.execute("insert into embedding_space (space_id, spec) values (%s, %s)", (space, spec))
            raw.execute("select open_space(%s)", (space,))
        found = {name: value for name, value in guards_of(raw, reference.schema).items() if not name.startswith("right ")}  # none may have one
        connection.rollback()
    reference.dispose()
    return found
