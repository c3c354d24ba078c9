/* node_space: see the header. */
#include "actors/cluster/node_space.h"

#include "actors/cluster/cluster_proposal.h"
#include "store/schema/space_alarm.h"
#include "wire/kinds.h"
#include "wire/proto/codec.h"

struct message *node_space_proposal(const struct log_space *space, bool alarm_stands, const char *node,
                                    uint64_t incarnation)
{
    bool low = space->low || (alarm_stands && !space->ample);
    if (low == alarm_stands) return NULL;
    bool disk = space->disk_free < space->disk_mark || space->map_free >= space->map_mark;
    Pb__Operation *operation = NULL;
    struct message *message = cluster_proposal(PB__ORIGIN__ORIGIN_NODE, &operation);
    Pb__Command *command = cluster_proposal_command(message);
    command->node = wire_string(message, node);
    command->incarnation = incarnation;
    operation->op_case = PB__OPERATION__OP_NODE_SPACE;
    operation->node_space = codec_create(&message->arena, &pb__op_node_space__descriptor);
    operation->node_space->low = low;
    operation->node_space->place = wire_string(message, disk ? SPACE_ALARM_DISK : SPACE_ALARM_MAP);
    operation->node_space->free = disk ? space->disk_free : space->map_free;
    operation->node_space->mark = disk ? space->disk_mark : space->map_mark;
    return message;
}
