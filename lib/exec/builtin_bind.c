/* An aggregator meets the argument and the type of the values that a plan has for it. */
#include "base/error.h"
#include "exec/builtins.h"

static int quantiles_type(const sdf_slice *arg, bool sketch, char **result, sdf_error **err)
{
    quantiles q;
    buf type = BUF_EMPTY;
    int rc = arg_quantiles(arg, sketch, &q, err);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < q.count && !rc && q.count > 1; i++)
        rc = buf_printf(&type, "%s" SDF_F64, i ? "," : "tuple(");
    if (!rc)
        rc = q.count > 1 ? buf_append(&type, ")", 2) : buf_append(&type, SDF_F64, sizeof SDF_F64);
    rc = rc ? error_no_memory(err) : type_parse((const char *)type.data, result, err);
    buf_free(&type);
    return rc;
}

static bool begins(const char *name, const char *with)
{
    return !strncmp(name, with, strlen(with));
}

/* Opening it once is what finds a wrong argument. */
static int try_open(const function *fn, const buf *bound, sdf_error **err)
{
    sdf_slice arg = {bound->data, bound->size};
    void *state = NULL;
    int rc = fn->def.open ? fn->def.open(NULL, &arg, &state, err) : SDF_OK;
    if (!rc && fn->def.open)
        fn->def.close(state);
    return rc;
}

int exec_bind_aggregator(const function **fn, const char *value_type, const sdf_slice *arg, buf *bound, char **result,
                         sdf_error **err)
{
    const char *name = (*fn)->def.name;
    int rc = SDF_OK;
    *result = NULL;
    if (!(*fn)->builtin || (*fn)->kind != FUNCTION_AGGREGATOR)
        return buf_append(bound, arg->data, arg->size) ? error_no_memory(err) : SDF_OK;
    if (begins(name, "sdf.each"))
        rc = each_bind(value_type, arg, &name, bound, result, err);
    else if (arg->size && !(*fn)->def.open)
        rc = error_set(err, SDF_E_INVALID, "\"%s\" takes no argument, and one of %zu bytes was given", name, arg->size);
    else if (buf_append(bound, arg->data, arg->size))
        rc = error_no_memory(err);
    if (!rc && begins(name, "sdf.each") && !(*fn = registry_find(name, NULL, err)))
        rc = SDF_E_NOT_FOUND;
    if (!rc && (begins(name, "sdf.quantiles") || begins(name, "sdf.approx_quantiles")))
        rc = quantiles_type(arg, begins(name, "sdf.approx"), result, err);
    return rc ? rc : try_open(*fn, bound, err);
}
