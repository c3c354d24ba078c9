/* constructor: an object that ends the process which maps it, before anyone could ask what it is. */
#include <unistd.h>

__attribute__((constructor)) static void end(void)
{
    _exit(9);
}
