/* Runs a SavedModel through TensorFlow's C API, for tests.

   serving_c_api DIRECTORY INPUT OUTPUT IMAGES RESULTS < SHAPES

   INPUT and OUTPUT name tensors as NAME:INDEX. IMAGES holds float32 arrays one after the other, and
   each line of SHAPES the four sizes of the next; RESULTS gets what the model makes of them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

static void check(TF_Status* status) {
  if (TF_GetCode(status) == TF_OK) return;
  fprintf(stderr, "%s\n", TF_Message(status));
  exit(1);
}

static TF_Output find(TF_Graph* graph, char* tensor) {
  char* colon = strchr(tensor, ':');
  *colon = 0;
  TF_Output found = {TF_GraphOperationByName(graph, tensor), atoi(colon + 1)};
  if (found.oper) return found;
  fprintf(stderr, "no operation %s\n", tensor);
  exit(1);
}

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const char* tags[] = {"serve"};
  TF_Status* status = TF_NewStatus();
  TF_Graph* graph = TF_NewGraph();
  TF_SessionOptions* options = TF_NewSessionOptions();
  TF_Session* session =
      TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1, graph, NULL, status);
  check(status);
  TF_Output input = find(graph, argv[2]), output = find(graph, argv[3]);
  FILE* images = fopen(argv[4], "rb");
  FILE* results = fopen(argv[5], "wb");
  if (!images || !results) return 2;

  long long shape[4];
  while (scanf("%lld %lld %lld %lld", shape, shape + 1, shape + 2, shape + 3) == 4) {
    int64_t sizes[4] = {shape[0], shape[1], shape[2], shape[3]};
    size_t bytes = sizeof(float) * sizes[0] * sizes[1] * sizes[2] * sizes[3];
    TF_Tensor* image = TF_AllocateTensor(TF_FLOAT, sizes, 4, bytes);
    if (fread(TF_TensorData(image), 1, bytes, images) != bytes) return 2;
    TF_Tensor* made = NULL;
    TF_SessionRun(session, NULL, &input, &image, 1, &output, &made, 1, NULL, 0, NULL, status);
    check(status);
    fwrite(TF_TensorData(made), 1, TF_TensorByteSize(made), results);
    TF_DeleteTensor(image);
    TF_DeleteTensor(made);
  }
  fclose(results);
  TF_CloseSession(session, status);
  TF_DeleteSession(session, status);
  TF_DeleteSessionOptions(options);
  TF_DeleteGraph(graph);
  TF_DeleteStatus(status);
  return 0;
}
