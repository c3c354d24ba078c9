/* deployment_queries: what the reading commands on blueprints and slices answer, from a view. Pure. Replies
 * are filled in their own arenas. */
#ifndef AETHER_ACTORS_SLICE_DEPLOYMENT_QUERIES_H
#define AETHER_ACTORS_SLICE_DEPLOYMENT_QUERIES_H

#include "actors/slice/deployment_view.h"
#include "actors/slice/endpoint_table.h"
#include "runtime/message.h"
#include "wire/proto/slice.pb-c.h"

/* Instances that are recorded or assigned; of one blueprint, or of all when `blueprint` is "". */
void deployment_queries_list_slices(struct message *reply, const struct deployment_view *view,
                                    const char *blueprint);
void deployment_queries_list_blueprints(struct message *reply, const struct deployment_view *view);
/* NOT_FOUND, INVALID. */
MUST_CHECK enum status deployment_queries_get_blueprint(struct message *reply,
                                                        const struct deployment_view *view, const char *name,
                                                        struct error *error);
MUST_CHECK enum status deployment_queries_history(struct message *reply, const struct deployment_view *view,
                                                  const char *name, struct error *error);
MUST_CHECK enum status deployment_queries_show_slice(struct message *reply,
                                                     const struct deployment_view *view,
                                                     const struct endpoint_table *endpoints,
                                                     const char *artifact, struct error *error);
/* The slice that a blueprint asks for under group:artifact[:version]. NOT_FOUND, INVALID. */
MUST_CHECK enum status deployment_queries_find_slice(const struct deployment_view *view, const char *artifact,
                                                     const struct view_blueprint **out_blueprint,
                                                     const struct blueprint_slice **out_slice,
                                                     struct error *error);
/* The same instances as a list of views, for other replies. */
void deployment_queries_instances(struct message *reply, const struct deployment_view *view,
                                  const char *blueprint, const char *artifact, Pb__InstanceView ***out_views,
                                  size_t *out_count);

#endif
