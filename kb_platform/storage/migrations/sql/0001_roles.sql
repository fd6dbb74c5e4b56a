-- Least privilege, per knowledge base: {prefix}_reader, _writer, _gate, _promoter. Roles are cluster-wide, so grants name this
-- schema only.
revoke all on schema {schema} from public;
revoke execute on all functions in schema {schema} from public;
grant usage on schema {schema} to {prefix}_reader, {prefix}_writer, {prefix}_gate, {prefix}_promoter;

grant select on chunk, document_version, active, release, gc_horizon to {prefix}_reader;

grant select on all tables in schema {schema} to {prefix}_writer, {prefix}_gate, {prefix}_promoter;
grant insert on embedding_space, vector, capture, capture_failure, applied_capture, document_version, passage, chunk to {prefix}_writer;
grant insert, update on known_document to {prefix}_writer;
grant insert, update on release to {prefix}_writer;
grant delete on applied_capture, document_version, passage, chunk, term_df to {prefix}_writer;
grant update (valid_to) on document_version, chunk to {prefix}_writer;
grant execute on function content_digest(int), count_terms(int), build_index() to {prefix}_writer;

grant execute on function search(int, halfvec, int[], sparsevec, int, int, float8, jsonpath), readable_release(int),
  term_statistics(int, int[]) to {prefix}_reader, {prefix}_gate;
grant execute on function search_rows(int, halfvec, int[], sparsevec, int, int, float8, jsonpath) to {prefix}_gate;

grant insert, update on gate_result to {prefix}_gate;
grant update (verdict, report) on release to {prefix}_gate;
grant insert, update (release_id) on active to {prefix}_promoter;

alter table chunk enable row level security;
alter table document_version enable row level security;
alter table release enable row level security;
-- The reader sees what is promoted, and nothing else.
create policy reader_active on chunk for select to {prefix}_reader
  using (valid_from <= (select a.release_id from active a) and valid_to > (select a.release_id from active a));
create policy reader_active on document_version for select to {prefix}_reader
  using (valid_from <= (select a.release_id from active a) and valid_to > (select a.release_id from active a));
create policy reader_promoted on release for select to {prefix}_reader using (promoted_at is not null);
create policy workers on chunk to {prefix}_writer, {prefix}_gate, {prefix}_promoter using (true) with check (true);
create policy workers on document_version to {prefix}_writer, {prefix}_gate, {prefix}_promoter using (true) with check (true);
create policy workers on release to {prefix}_writer, {prefix}_gate, {prefix}_promoter using (true) with check (true);
