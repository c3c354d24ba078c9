/* no_descriptor: a shared object like any other, and no slice. */
int no_descriptor_answer(void);

__attribute__((visibility("default"))) int no_descriptor_answer(void)
{
    return 42;
}
