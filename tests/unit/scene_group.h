/* One scene and its reference values for a test group. */
#ifndef CLOISTER_TEST_SCENE_GROUP_H
#define CLOISTER_TEST_SCENE_GROUP_H

#include "scene.h"

static struct scene scene;
static struct clo_reference *reference;

static inline int set_scene_up(void **state)
{
    (void)state;
    scene_init(&scene);
    reference = make_reference();
    return 0;
}

static inline int tear_scene_down(void **state)
{
    (void)state;
    scene_free(&scene);
    clo_reference_free(reference);
    return 0;
}

#endif
