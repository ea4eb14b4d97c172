import tseslint from 'typescript-eslint';

/** The core decides; only the host touches the world. Imports go one way. */
const core = [
  'src/net/**',
  'src/config/**',
  'src/allocation/**',
  'src/ruleset/**',
  'src/plan/**',
  'src/simulate/**',
  'src/netlink/**',
  'src/network/**',
  'src/deployment/**',
  'src/watchdog/**',
  'src/doctor/**',
  'src/channel/**',
  'src/server/**',
];

export default tseslint.config(
  { ignores: ['build/**', 'node_modules/**'] },
  ...tseslint.configs.strict,
  {
    files: ['**/*.ts'],
    rules: {
      eqeqeq: 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name what you export.' },
        { selector: 'ExportAllDeclaration', message: 'No barrel files.' },
      ],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  {
    files: core.map((folder) => `${folder}/*.ts`),
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['oneip:runtime'],
          patterns: ['**/host/*', '**/daemon/*', '**/cli/*', '**/ubus/*', 'node:*'],
        },
      ],
      'no-restricted-globals': ['error', 'Date', 'setTimeout', 'setInterval', 'console', 'process', 'performance'],
    },
  },
);
