/* inputs: reading a list of inputs out of the source. */
#include "providers/inputs.h"

int
inputs_read_list(struct source_reader *reader, struct arena *a, const struct manifest *m,
	const struct source *source, struct str *bytes, struct error *err)
{
	const struct map *map = &m->map;
	struct str path = job_source_path(a, m, source, map->file);
	int rc = path.p ? source_read(reader, a, path, bytes, err) : ERR_MISSING;

	if (rc == ERR_MISSING)
		return error_set(err, ERR_INPUT,
			"%.*s:%u:%u: map.inputs.file: there is no file %.*s in the source (%s)",
			STR_ARG(map->pos_inputs.file), map->pos_inputs.line, map->pos_inputs.col,
			STR_ARG(map->file),
			source->kind == SOURCE_COMMIT ? "is it committed?" : "is it ignored?");
	return rc;
}
