/* relay2: org.test:relay:2.0.0, for changes of version under load. */
#define RELAY_VERSION "2.0.0"
#include "tests/slices/relay.c"
