import { existsSync, mkdirSync } from 'node:fs';
import { type BuiltImage, buildImages } from '../../local/images/build.ts';
import { imageCatalog } from '../../local/images/catalog.ts';
import { importImage, listImages } from '../../local/images/load.ts';
import { withImagesLock } from '../../local/images/lock.ts';
import type { ClusterPlan } from '../../local/plan.ts';
import { planOfExisting, readRecord } from '../../local/record.ts';
import { renderTable } from '../../local/status.ts';
import { type CommandContext, type RunCommand, UsageError } from '../command.ts';
import { clusterName, IMAGES_DIR, localContext, ociArchitecture } from '../local-context.ts';

export const run: RunCommand = async ({ flags, operands: [action, ...files] }, context) => {
  const name = clusterName(flags);
  if (action === 'build') {
    const built = await buildExampleImages(context);
    if (readRecord(name))
      await loadFiles(
        planOfExisting(name),
        built.map((image) => image.file),
        context,
      );
    return 0;
  }
  if (action === 'load' && files.length > 0) {
    for (const file of files) if (!existsSync(file)) throw new Error(`${file}: no such file`);
    await loadFiles(planOfExisting(name), files, context);
    return 0;
  }
  if (action === 'list') return list(planOfExisting(name), context);
  throw new UsageError('usage: sampan image build | load FILE… | list');
};

/** Builds what the examples need, unless the cache has it. */
export async function buildExampleImages(context: CommandContext): Promise<BuiltImage[]> {
  mkdirSync(IMAGES_DIR, { recursive: true });
  const local = { ...localContext(context), directory: IMAGES_DIR };
  return withImagesLock(local, () => buildImages(imageCatalog, { ...local, architecture: ociArchitecture(context) }));
}

async function loadFiles(plan: ClusterPlan, files: readonly string[], { err }: CommandContext): Promise<void> {
  const nodes = plan.nodes.filter((node) => existsSync(node.containerd.socket));
  if (nodes.length === 0) throw new Error(`cluster ${plan.name} does not run: start it with "sampan up"`);
  const imports = nodes.map(async ({ containerd }) => {
    const names: string[] = [];
    for (const file of files) names.push(...(await importImage(containerd.socket, file)));
    return names;
  });
  const [names = []] = await Promise.all(imports);
  for (const image of names) err(`loaded ${image} into ${nodes.length} nodes\n`);
}

async function list(plan: ClusterPlan, { out }: CommandContext): Promise<number> {
  const perNode = await Promise.all(
    plan.nodes.map(async (node) =>
      (await listImages(node.containerd.socket)).map((image) => [node.name, image.name, image.size]),
    ),
  );
  out(`${renderTable(['NODE', 'IMAGE', 'SIZE'], perNode.flat()).join('\n')}\n`);
  return 0;
}
