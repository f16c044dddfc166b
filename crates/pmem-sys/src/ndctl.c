/*
 * The libndctl and libdaxctl functions that the static archives of PMDK call.
 *
 * Neither library exists as an archive, and a program must start where neither is installed.
 * So each function is defined here and forwards to the shared library, which is opened at the
 * first call. Where a library or one of the functions is missing, the machine looks as if it had
 * no non-volatile DIMMs: ndctl_new succeeds with a context that must not be looked into, and
 * every other function returns 0 or NULL.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

struct badblock;
struct daxctl_dev;
struct daxctl_region;
struct ndctl_btt;
struct ndctl_bus;
struct ndctl_cmd;
struct ndctl_ctx;
struct ndctl_dax;
struct ndctl_dimm;
struct ndctl_namespace;
struct ndctl_pfn;
struct ndctl_range;
struct ndctl_region;

typedef unsigned long long u64;

/* F(result, name, parameters, arguments), sorted by name. */
#define FUNCTIONS(F) \
	F(const char *, daxctl_dev_get_devname, (struct daxctl_dev *a), (a)) \
	F(struct daxctl_dev *, daxctl_dev_get_first, (struct daxctl_region *a), (a)) \
	F(struct daxctl_dev *, daxctl_dev_get_next, (struct daxctl_dev *a), (a)) \
	F(const char *, ndctl_btt_get_block_device, (struct ndctl_btt *a), (a)) \
	F(struct ndctl_cmd *, ndctl_bus_cmd_new_ars_cap, (struct ndctl_bus *a, u64 b, u64 c), (a, b, c)) \
	F(struct ndctl_cmd *, ndctl_bus_cmd_new_clear_error, (u64 a, u64 b, struct ndctl_cmd *c), (a, b, c)) \
	F(struct ndctl_bus *, ndctl_bus_get_first, (struct ndctl_ctx *a), (a)) \
	F(struct ndctl_bus *, ndctl_bus_get_next, (struct ndctl_bus *a), (a)) \
	F(const char *, ndctl_bus_get_provider, (struct ndctl_bus *a), (a)) \
	F(int, ndctl_cmd_ars_cap_get_range, (struct ndctl_cmd *a, struct ndctl_range *b), (a, b)) \
	F(u64, ndctl_cmd_clear_error_get_cleared, (struct ndctl_cmd *a), (a)) \
	F(int, ndctl_cmd_submit, (struct ndctl_cmd *a), (a)) \
	F(void, ndctl_cmd_unref, (struct ndctl_cmd *a), (a)) \
	F(unsigned long, ndctl_dax_get_align, (struct ndctl_dax *a), (a)) \
	F(struct daxctl_region *, ndctl_dax_get_daxctl_region, (struct ndctl_dax *a), (a)) \
	F(u64, ndctl_dax_get_resource, (struct ndctl_dax *a), (a)) \
	F(u64, ndctl_dax_get_size, (struct ndctl_dax *a), (a)) \
	F(long long, ndctl_dimm_get_dirty_shutdown, (struct ndctl_dimm *a), (a)) \
	F(const char *, ndctl_dimm_get_unique_id, (struct ndctl_dimm *a), (a)) \
	F(const char *, ndctl_namespace_get_block_device, (struct ndctl_namespace *a), (a)) \
	F(struct ndctl_btt *, ndctl_namespace_get_btt, (struct ndctl_namespace *a), (a)) \
	F(struct ndctl_dax *, ndctl_namespace_get_dax, (struct ndctl_namespace *a), (a)) \
	F(struct ndctl_namespace *, ndctl_namespace_get_first, (struct ndctl_region *a), (a)) \
	F(struct badblock *, ndctl_namespace_get_first_badblock, (struct ndctl_namespace *a), (a)) \
	F(unsigned int, ndctl_namespace_get_mode, (struct ndctl_namespace *a), (a)) \
	F(struct ndctl_namespace *, ndctl_namespace_get_next, (struct ndctl_namespace *a), (a)) \
	F(struct badblock *, ndctl_namespace_get_next_badblock, (struct ndctl_namespace *a), (a)) \
	F(struct ndctl_pfn *, ndctl_namespace_get_pfn, (struct ndctl_namespace *a), (a)) \
	F(u64, ndctl_namespace_get_resource, (struct ndctl_namespace *a), (a)) \
	F(u64, ndctl_namespace_get_size, (struct ndctl_namespace *a), (a)) \
	F(int, ndctl_new, (struct ndctl_ctx **a), (a)) \
	F(const char *, ndctl_pfn_get_block_device, (struct ndctl_pfn *a), (a)) \
	F(u64, ndctl_pfn_get_resource, (struct ndctl_pfn *a), (a)) \
	F(u64, ndctl_pfn_get_size, (struct ndctl_pfn *a), (a)) \
	F(struct ndctl_bus *, ndctl_region_get_bus, (struct ndctl_region *a), (a)) \
	F(struct ndctl_region *, ndctl_region_get_first, (struct ndctl_bus *a), (a)) \
	F(struct badblock *, ndctl_region_get_first_badblock, (struct ndctl_region *a), (a)) \
	F(struct ndctl_dimm *, ndctl_region_get_first_dimm, (struct ndctl_region *a), (a)) \
	F(unsigned int, ndctl_region_get_id, (struct ndctl_region *a), (a)) \
	F(struct ndctl_region *, ndctl_region_get_next, (struct ndctl_region *a), (a)) \
	F(struct badblock *, ndctl_region_get_next_badblock, (struct ndctl_region *a), (a)) \
	F(struct ndctl_dimm *, ndctl_region_get_next_dimm, (struct ndctl_region *a, struct ndctl_dimm *b), (a, b)) \
	F(int, ndctl_region_get_numa_node, (struct ndctl_region *a), (a)) \
	F(u64, ndctl_region_get_resource, (struct ndctl_region *a), (a)) \
	F(struct ndctl_ctx *, ndctl_unref, (struct ndctl_ctx *a), (a))

#define INDEX(result, name, parameters, arguments) AT_##name,
enum { FUNCTIONS(INDEX) COUNT };

#define NAME(result, name, parameters, arguments) #name,
static const char *const names[COUNT] = { FUNCTIONS(NAME) };

/* Either all come from the libraries, or none does: a context never meets the other side's code. */
static void *functions[COUNT];

static int dummy_new(struct ndctl_ctx **context)
{
	static char dummy;
	*context = (struct ndctl_ctx *)&dummy;
	return 0;
}

static int look_up(void)
{
	void *ndctl = dlopen("libndctl.so.6", RTLD_NOW | RTLD_LOCAL);
	void *daxctl = dlopen("libdaxctl.so.1", RTLD_NOW | RTLD_LOCAL);
	void *found[COUNT];

	if (ndctl == NULL || daxctl == NULL)
		return 0;
	for (size_t i = 0; i < COUNT; i++) {
		found[i] = dlsym(names[i][0] == 'n' ? ndctl : daxctl, names[i]);
		if (found[i] == NULL)
			return 0;
	}
	memcpy(functions, found, sizeof(functions));
	return 1;
}

static void prepare(void)
{
	if (!look_up())
		functions[AT_ndctl_new] = (void *)dummy_new;
}

static void *function(int index)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, prepare);
	return functions[index];
}

#define DEFINE(result, name, parameters, arguments) \
	result name parameters \
	{ \
		result (*found) parameters = (result (*) parameters)function(AT_##name); \
		return found ? found arguments : (result)0; \
	}
FUNCTIONS(DEFINE)
